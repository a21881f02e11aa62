"""What tests share: phantoms, made-up models, servers."""
