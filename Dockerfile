# The app on a processor, for one machine or a Hugging Face Space: see docs/deploy.md.
#
#   docker build -t diffpose-studio .
#   docker run --rm -p 127.0.0.1:8501:8501 diffpose-studio      then open http://localhost:8501
#
# To open it to others, publish another address and name the host: -p 8501:8501 -e DIFFPOSE_HOST=the.name.in.the.address

FROM python:3.11-slim AS build
WORKDIR /source
RUN python -m venv /opt/diffpose
ENV PATH=/opt/diffpose/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The CPU build of torch: the usual one brings gigabytes of GPU libraries. Hashes are there for x86-64.
COPY requirements.txt requirements.lock ./
RUN sed -n '/^torch==/,/[^\\]$/p' requirements.lock > torch.lock \
    && if [ "$(uname -m)" = x86_64 ]; then \
        pip install --no-deps --require-hashes --index-url https://download.pytorch.org/whl/cpu -r torch.lock \
        && pip install --no-deps --require-hashes -r requirements.lock; \
    else \
        pip install --index-url https://download.pytorch.org/whl/cpu "$(grep ^torch== requirements.txt)" \
        && pip install -r requirements.txt; \
    fi
COPY . .
RUN pip install --no-deps .

FROM python:3.11-slim
RUN useradd --create-home --uid 1000 diffpose
# The app keeps a copy of plotly.js beside its static files, so the environment belongs to the user.
COPY --from=build --chown=diffpose:diffpose /opt/diffpose /opt/diffpose
USER diffpose
WORKDIR /home/diffpose
ENV PATH=/opt/diffpose/bin:$PATH PYTHONUNBUFFERED=1 DIFFPOSE_HOST=localhost
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://localhost:8501/_stcore/health', timeout=4)"]
# A Space names its host in SPACE_HOST.
CMD ["sh", "-c", "exec diffpose app --address 0.0.0.0 --no-browser --allow-host \"${SPACE_HOST:-$DIFFPOSE_HOST}\""]
