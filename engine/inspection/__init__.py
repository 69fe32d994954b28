"""What is wrong with a data set: measures of each picture, findings about the whole, and which pictures to keep."""
