"""What captions are made and judged with: trigger words weighed, and models that describe pictures."""
