"""How each figure is computed, in the words that stand beside it; docs/revenue.md has more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MRR: Final[Mapping[str, str]] = {
    "start": "MRR at the period's beginning: the sum over active subscriptions of what each is"
    " charged before tax, made a month (a year has 12 months, 52 weeks, 365 days) and rounded once"
    " to the smallest unit. Trials, on-demand subscriptions and prices that are not known are not"
    " in it. past_due within its grace is active; on_hold and paused are not; what is cancelled at"
    " the period's end counts until then. start + new + expansion + contraction + churn +"
    " reactivation = end.",
    "new": "Movements of customers who had no MRR ever before: the MRR that they begin with. All"
    " changes of one customer at one instant are one movement.",
    "expansion": "Movements of customers with MRR to more of it.",
    "contraction": "Movements of customers with MRR to less of it, but not to none; negative. In a"
    " report by product, going to another product is a contraction of the one and an expansion of"
    " the other.",
    "churn": "Movements of customers with MRR to none, when the last of it ends; negative.",
    "reactivation": "Movements of customers who had churned back to MRR.",
    "end": "MRR at the period's end, or now where it has not ended.",
    "arr": "What the same subscriptions are charged a year, each rounded once; so it may differ"
    " from 12 times MRR by rounding.",
    "customers": "Customers with MRR, at the beginning and at the end.",
    "paying_subscriptions": "Subscriptions with MRR, at the beginning and at the end.",
    "active_subscriptions": "Subscriptions that are active, or past_due within their grace, with"
    " or without MRR.",
    "trials": "Active subscriptions in their trial: until the first renewal after they began.",
    "average_revenue": "MRR / customers, both at the end (ARPA); rounded to the smallest unit.",
    "customer_churn_rate": "churn.count / customers.start.",
    "gross_mrr_churn_rate": "-(churn + contraction) / start.",
    "net_mrr_churn_rate": "-(churn + contraction + expansion + reactivation) / start.",
}
"""The figures of MRR. Formulas of rates: help.chartmogul.com, 203359341 and 207340419."""
COHORTS: Final[Mapping[str, str]] = {
    "cohort": "The customers whose MRR in a currency began in one period: their first movement.",
    "customers": "Those of the cohort with MRR at the period's end.",
    "mrr": "Their MRR at the period's end.",
    "customer_retention": "customers / those whom the cohort began with.",
    "mrr_retention": "mrr / the MRR that the cohort began with: expansion counts, so it may pass"
    " 1.",
    "began": "How many customers began, and with which MRR: the sum of the new movements.",
}
TRIALS: Final[Mapping[str, str]] = {
    "started": "Subscriptions whose trial began in the period.",
    "converted": "Those of them that were charged since: by a renewal after the beginning.",
    "ended": "Those whose trial ended otherwise.",
    "running": "Those that are in their trial still.",
    "conversion_rate": "converted / started.",
}
TAKINGS: Final[Mapping[str, str]] = {
    "payments": "Payments that succeeded in the period, with tax (gross), and the tax: what Dodo"
    " settles, in the currency that it settles in. Charges of nothing, of trials and to take"
    " another payment method, do not count.",
    "refunds": "Refunds that succeeded in the period: of the settled amount the part that the"
    " refund is of the payment.",
    "disputes_opened": "Disputes that were first opened in the period, with what they are about.",
    "disputes_won": "Disputes that were won in the period.",
    "disputes_lost": "Disputes that were lost or accepted in the period: the payment's settled"
    " amount, or the part that is disputed.",
    "failed": "Payments that first failed in the period, with what they would have settled; that"
    " counts nowhere.",
    "recovered": "Those of the failed that have succeeded since, themselves or by another payment"
    " of their subscription.",
    "net": "Gross without tax of payments, less that of refunds and of disputes lost, plus that of"
    " disputes won which had been lost. Dodo's fees are not in webhooks, so they are in it still.",
    "unsettled": "Payments, refunds and disputes lost of which the settled amount is not known:"
    " counted, and in no sum.",
}
