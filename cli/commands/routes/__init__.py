"""Send events to Windmill and to endpoints, and see how that fares."""
