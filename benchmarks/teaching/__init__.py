"""What a way of training teaches: data sets that nobody tuned to, and the figures of an adapter trained on them."""
