"""What a user is likely to buy next: candidates, their features, a ranker, lists with reasons, and measures of all of it."""
