"""Functions from arrays to payloads of the stage in the browser. All are pure; nothing here imports streamlit."""
