"""The distribution: one list of packages and extras, also Beam's --setup_file and the trainer's sdist."""

from setuptools import setup

# Upper bounds are the majors these were tested with; lower bounds are what resolves together on Python 3.11-3.13.
TRAIN_AND_PREDICT = [
    'tensorflow>=2.19,<2.22',
    'tensorboard>=2.19',  # TensorFlow no longer brings it
    'numpy>=1.26',
    'pillow>=11',
    'google-cloud-storage>=3,<4',
    'google-crc32c>=1.5',  # TFRecord checksums at the speed of C
    'isal>=1.7',  # gzip of record files, ten times as fast to write
    'scikit-learn>=1.5',
    'matplotlib>=3.9',
    'jinja2>=3.1',
    'rich>=13',
]
BEAM = [
    'apache-beam[gcp]>=2.77,<3',
    'tensorflow-hub>=0.16.1',
    'setuptools<82',  # tensorflow-hub 0.16.1 imports pkg_resources, which setuptools 82 removed
]
FAST = [
    'openvino>=2026.0,<2027',
    'nncf>=3.0,<4',  # quantises without torch
]
ONNX = [
    'tf2onnx>=1.17,<2',
    'onnx>=1.17,<2',
    'onnxruntime>=1.20,<2',  # checks what was written
]
SERVE = [
    'starlette>=1,<2',
    'uvicorn>=0.40,<1',
    'python-multipart>=0.0.20',
]
VIDEO = [
    'av>=17,<18',  # FFmpeg in a wheel
    'openpyxl>=3.1',  # sheets of times in Excel workbooks
]
AWS = [
    'boto3>=1.36',  # s3:// paths; conditional writes came with 1.35
]
DEV = [
    'pytest>=8',
    'pytest-xdist>=3.6',
    'ruff>=0.6',
    'mypy>=1.11',
    'build>=1.2',
    'moto[server]>=5.1',  # an S3 for the tests
]

setup(
    name='headlight',
    version='0.1.0',
    description='From labelled pictures or footage to a served classifier: embed once with Beam, train in seconds.',
    python_requires='>=3.11,<3.14',
    packages=['preprocess', 'trainer', 'predict'],
    py_modules=['pipeline', 'pipeline_cloud', 'pipeline_demo', 'pipeline_stages', 'pipeline_trial'],
    package_data={'preprocess': ['mini/*'], 'trainer': ['templates/*'], 'predict': ['page/*']},
    install_requires=TRAIN_AND_PREDICT,
    extras_require={
        'beam': BEAM,
        'fast': FAST,
        'onnx': ONNX,
        'serve': SERVE,
        'video': VIDEO,
        'aws': AWS,
        'gpu': ['tensorflow[and-cuda]>=2.19,<2.22'],  # CUDA in wheels; the driver is the machine's
        'dev': DEV,
        'all': BEAM + FAST + ONNX + SERVE + VIDEO + AWS + DEV,
    },
    entry_points={'console_scripts': ['headlight = pipeline:main']},
)
