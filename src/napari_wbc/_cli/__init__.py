"""What the command line is made of: options from the settings, tables and progress for the terminal, the demo."""
