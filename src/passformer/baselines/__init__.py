"""What the model is compared with: systems that others proposed, and the cheap rivals that it must beat."""
