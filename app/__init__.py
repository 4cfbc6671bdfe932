"""The browser side of DiffPose Studio. `streamlit run app` starts streamlit_app.py."""
