"""Start workflows in Windmill, and see how they fare."""
