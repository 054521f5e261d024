//! How well it is kept: the matrix of accuracies, and what is counted beside it.
