"""Single passes as a translation task (the paper's section V-C): IR and a pass in, what the pass makes of it out."""
