"""Ways down for any function with derivatives: a direction (or a region) and a step, one method a file."""
