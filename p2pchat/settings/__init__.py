"""What can be set: values, their bounds, and where they come from."""
