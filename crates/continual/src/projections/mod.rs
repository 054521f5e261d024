//! Gradients that leave earlier tasks as they are.
