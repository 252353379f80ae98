"""Everything, for a warehouse: whole the first time, and then what has changed since."""
