"""The closed list of reasons for which a row is rejected; every reject names one of them."""

REASONS: dict[str, str] = {
    # the row as it is written
    'wrong-columns': 'The image cell is empty, or the row has more or fewer cells than the header.',
    'bad-quotes': 'A quoted cell is never closed, or something other than a comma follows its closing quote.',
    'comment': 'The line begins with # and no file of that name exists.',
    'repeated-header': 'A header row stands among the rows.',
    'bad-encoding': 'The row holds a NUL character, which no path or label can hold.',
    'bad-label': 'A label holds a line break, which a line of dict.txt can not hold.',
    'unknown-split': 'The split cell is not train, eval or test in one of the usual spellings.',
    'bad-times': 'The start or stop of a stretch of video is no number of seconds, or it stops before it starts.',
    'unknown-label': 'A label is not in dict.txt.',
    'several-labels': 'The row has several labels and --multi_label was not given.',
    'conflicting-labels': 'Rows of the same picture disagree about its labels, split or group.',
    'footage': 'The row names a video or a stretch of one where pictures are wanted.',
    # the file it names
    'missing': 'There is no such file or object.',
    'forbidden': 'The file or object may not be read.',
    'is-a-directory': 'The path is a directory.',
    'unreadable': 'The storage answered with an error while the file was read.',
    'empty-file': 'The file has no bytes.',
    'too-many-bytes': 'The file is larger than the byte limit for one picture.',
    # the picture in it
    'not-an-image': 'The bytes begin like no picture format.',
    'unsupported-format': 'It is in a format that is not read; JPEG, MPO, PNG, GIF, WebP, BMP and TIFF are.',
    'too-many-pixels': 'The header announces more pixels than the limit.',
    'too-small': 'The picture has a side without pixels at the size the encoder wants.',
    'truncated': 'The picture ends before its data does.',
    'corrupt': 'The picture can not be decoded.',
    'too-slow': 'Decoding took longer than the limit for one picture, or ended its process.',
    # the video in it
    'not-a-video': 'The bytes begin like no video format.',
    'no-video-stream': 'The file holds sound or data, but no video.',
    'no-frames': 'The video holds no frame that could be shown.',
    'unsupported-codec': 'No decoder here knows how the video is coded.',
    'non-monotonic-times': 'The clock of the video goes back, or frames have no time: a time names no one frame.',
    'too-many-frames': 'The video has more frames than the limit.',
    'beyond-the-end': 'The stretch begins at or behind the end of the recording, or the frame is behind its last.',
    'no-frame': 'No frame of the stretch is taken at this number of frames a second.',
    'outside': 'The region of --roi is not within the frame.',
    'changed': 'The video is not the file it was when its times were read.',
    'nonfinite-embedding': 'The encoder answered with infinities or NaN.',
}
