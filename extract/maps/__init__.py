"""Maps of the points: their vectors on disk, t-SNE, and how faithful each map is."""
