"""Why a field has its value, and which deliveries say so."""
