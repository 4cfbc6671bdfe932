"""Work that goes on beside a page. No Streamlit in here."""
