"""From labelled functions to text and tokens: what the model is shown, and what it is to answer."""
