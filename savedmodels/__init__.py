"""Out to TF Serving: SavedModels with signatures, and how to serve them."""
