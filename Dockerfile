FROM python:3.13-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY bridge bridge
COPY appservice appservice
RUN pip install --no-cache-dir --constraint constraints.txt . \
    && useradd --system --create-home festimo
USER festimo
WORKDIR /data
EXPOSE 29400
ENTRYPOINT ["festimo"]
