"""Evolution recorded: settings that fit together, files, results, figures."""
