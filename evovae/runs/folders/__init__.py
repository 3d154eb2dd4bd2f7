"""Run folders: their files, who may write them, and where a result came from."""
