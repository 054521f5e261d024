//! Fisher forgetting, as AdityaGolatkar/SelectiveForgetting computes it.
