"""Reading and writing finished works, and the recipe each file carries."""
