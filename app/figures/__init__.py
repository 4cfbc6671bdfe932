"""From arrays to what the stage in the browser draws. Pure functions; nothing here imports streamlit."""
