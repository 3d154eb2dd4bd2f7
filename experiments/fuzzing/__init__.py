"""What `fuzz_files.py` damages, and how."""
