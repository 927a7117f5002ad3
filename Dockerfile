# The application image: the worker, HTTP and the command line. See docs/adr/0002-an-application-not-a-library.md.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/rapport \
 && /opt/rapport/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /opt/rapport/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/rapport rapport
COPY --from=build /opt/rapport /opt/rapport
ENV PATH=/opt/rapport/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RAPPORT_DATA=/var/lib/rapport
USER 10001
WORKDIR /var/lib/rapport
CMD ["python", "-m", "worker"]
