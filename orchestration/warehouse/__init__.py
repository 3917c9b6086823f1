"""The warehouse file: locked while it is built, published for those who read it."""
