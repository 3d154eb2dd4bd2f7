"""What the page asks for, by what it is about: the latent space, sessions, runs."""
