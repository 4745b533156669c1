"""The causal step by other means than PyTorch's eager mode: compiled, captured, exported."""
