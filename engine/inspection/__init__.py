"""What is wrong with a data set: measures of its pictures, findings about them and the whole, and what to keep."""
