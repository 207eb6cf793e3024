"""What a name on the command line stands for: models, data, measures, and those who judge."""
