"""What pages draw: data in, geometry out, and nothing else; the templates in `drawing/` write it.

- A customer's lifelines: `lifelines.lifelines(lifecycle, at=…)`, by the macro `lifelines` of
  `drawing/lifelines.html`.
- A state machine with the way of an object: `machine.machine_picture(kind, entity, entries)`, by
  `machine` of `drawing/machine.html`.
- Retention by cohort: `heat_map.retention(report, …)`, by `heat_map` of `drawing/heat_map.html`.
- Figures of a year in a line of text: `sparkline.sparkline(values)`, by `sparkline` of
  `drawing/sparkline.html`.

docs/how-to-draw.md has how a page uses them.
"""
