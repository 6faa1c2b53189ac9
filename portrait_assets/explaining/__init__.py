"""Why a portrait says what it says: the events behind a tag, what it would be without them, and whether that holds."""
