# Trains. It has never been built where tf_scenes is tested.
#   docker build -t tf_scenes .
#   docker run --rm -v "$PWD/runs:/tf_scenes/runs" -v "$PWD/exports:/tf_scenes/exports" tf_scenes --flagfile=configs/lavae.cfg
FROM python:3.11-slim
WORKDIR /tf_scenes
COPY requirements.lock .
RUN pip install --no-cache-dir -r requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .
ENTRYPOINT ["python", "main.py"]
