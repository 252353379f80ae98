-- What a payment can be checked against: whether tax is in an amount, and what keeps it from being what
-- is charged. Rows that were written before are without these until a rebuild.

ALTER TABLE raphus.payments ADD COLUMN discounts jsonb NOT NULL DEFAULT '[]';
ALTER TABLE raphus.periods
    ADD COLUMN tax_inclusive boolean,
    ADD COLUMN obstacle text;
