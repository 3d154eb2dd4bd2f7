"""What was published: problems, classifiers, runs and figures, and the rules that hold ours against them."""
