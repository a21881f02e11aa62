"""What results copy from their source, and what they say of their making."""
