# The page of `polyreel serve` for one library. Build it once, index, then serve:
#
#   docker build --tag polyreel .
#   docker run --rm --volume polyreel:/data --volume ~/Videos:/videos:ro polyreel index /videos
#   docker run --env POLYREEL_TOKEN --publish 127.0.0.1:8420:8420 \
#     --volume polyreel:/data --volume ~/Videos:/videos:ro polyreel
#
# Within a container the page has to listen to more than its own machine, so polyreel asks for a token: without
# POLYREEL_TOKEN, a secret of 16 characters or more, it says so and does not start.
FROM python:3.13-slim

# Libraries and models, kept in a volume; what searches write belongs to a user without rights of any other kind.
RUN useradd --create-home --uid 10001 polyreel \
    && install --directory --owner polyreel --group polyreel /data
ENV POLYREEL_LIBRARY=/data/library \
    POLYREEL_CACHE=/data/cache

WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src ./src
RUN pip install --no-cache-dir --constraint constraints.txt ".[serve]"

USER 10001
WORKDIR /home/polyreel
VOLUME /data
EXPOSE 8420
HEALTHCHECK --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8420/api/v1/ready', timeout=5)"]
ENTRYPOINT ["polyreel"]
CMD ["serve", "--host", "0.0.0.0", "--root", "/videos"]
