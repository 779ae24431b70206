"""The Keras applications that can be encoders: their sizes and the files their ImageNet weights come in."""

from dataclasses import dataclass

_WEIGHTS = 'https://storage.googleapis.com/tensorflow/keras-applications'


@dataclass(frozen=True, kw_only=True)
class Application:
    """A network of keras.applications, cut before its classifier and averaged over space."""

    constructor: str  # its name in keras.applications
    size: int  # the side of the square it was trained on; other sizes run but move the vectors
    vector_size: int
    scaled: bool  # whether pixels are brought to -1..1 in front of it; otherwise it does that itself
    weights_url: str  # without the classifier, as Keras fetches it
    weights_md5: tuple[str, ...] = ()  # as Keras pins them: without the classifier, then with it; none when it doesn't

    @property
    def weights_file(self) -> str:
        """The file's name in Keras' cache."""
        return self.weights_url.rpartition('/')[2]


APPLICATIONS: dict[str, Application] = {
    'inception_v3': Application(
        constructor='InceptionV3',
        size=299,
        vector_size=2048,
        scaled=True,
        weights_url=f'{_WEIGHTS}/inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5',
        weights_md5=('bcbd6486424b2319ff4ef7d526e38f63', '9a0d58056eeedaa3f26cb7ebd46da564'),
    ),
    'mobilenet_v2': Application(
        constructor='MobileNetV2',
        size=224,
        vector_size=1280,
        scaled=True,
        weights_url=f'{_WEIGHTS}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5',
    ),
    'mobilenet_v3_large': Application(
        constructor='MobileNetV3Large',
        size=224,
        vector_size=960,
        scaled=False,
        weights_url=f'{_WEIGHTS}/mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5',
        weights_md5=('07fb09a5933dd0c8eaafa16978110389', '59e551e166be033d707958cf9e29a6a7'),
    ),
    'resnet50_v2': Application(
        constructor='ResNet50V2',
        size=224,
        vector_size=2048,
        scaled=True,
        weights_url=f'{_WEIGHTS}/resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5',
        weights_md5=('fac2f116257151a9d068a22e544a4917', '3ef43a0b657b3be2300d5770ece849e0'),
    ),
    'efficientnet_v2_b0': Application(
        constructor='EfficientNetV2B0',
        size=224,
        vector_size=1280,
        scaled=False,
        weights_url=f'{_WEIGHTS}/efficientnet_v2/efficientnetv2-b0_notop.h5',
        weights_md5=('893217f2bb855e2983157299931e43ff', '21ecbf6da12460d5c40bb2f29ceb2188'),
    ),
}
