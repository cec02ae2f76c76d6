"""Label files as programs write them, for the tests of their readers."""

import io

import numpy as np
import scipy.io

AUDACITY = (
    "0.523810\t0.741497\tsyllable a\n"
    "\\\t1484.669312\t2969.338523\n"
    "0.700000\t0.900000\tb, over a\n"
    "1.250000\t1.250000\ta point\n"
    "\\\t-1.000000\t6334.588867\n"
    "2.000000\t2.500000\t\n"
)
RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"
    "Delta Time (s)\tSpecies\n"
    "1\tWaveform 1\t1\t1.120000000\t1.500000000\t1340.5\t2899.9\t0.3800\tNOCA\n"
    "1\tSpectrogram 1\t1\t1.120000000\t1.500000000\t1340.5\t2899.9\t0.3800\tNOCA\n"
    "3\tWaveform 1\t2\t1.400000000\t1.700000000\t1723.5\t4048.9\t0.3000\tWOTH\n"
    "3\tSpectrogram 1\t2\t1.400000000\t1.700000000\t1723.5\t4048.9\t0.3000\tWOTH\n"
    "2\tWaveform 1\t1\t0.250000000\t0.500000000\t1723.5\t4048.9\t0.2500\t\n"
    "2\tSpectrogram 1\t1\t0.250000000\t0.500000000\t1723.5\t4048.9\t0.2500\t\n"
)
LONG_TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 2.5 
tiers? <exists> 
size = 2 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "words" 
        xmin = 0 
        xmax = 2.5 
        intervals: size = 4 
        intervals [1]:
            xmin = 0 
            xmax = 0.75 
            text = "" 
        intervals [2]:
            xmin = 0.75 
            xmax = 1.0386122448979592 
            text = "say ""ä"" 3 <p>" 
        intervals [3]:
            xmin = 1.0386122448979592 
            xmax = 2 
            text = "two
lines ! all text" 
        intervals [4]:
            xmin = 2 
            xmax = 2.5 
            text = " " 
    item [2]:
        class = "TextTier" 
        name = "tones" 
        xmin = 0 
        xmax = 2.5 
        points: size = 1 
        points [1]:
            number = 0.8 
            mark = "L+!H-" 
"""  # noqa: W291
SHORT_TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"words"
0
2.5
4
0
0.75
""
0.75
1.0386122448979592
"say ""ä"" 3 <p>"
1.0386122448979592
2
"two
lines ! all text"
2
2.5
" "
"TextTier" ! of points
"tones"
0
2.5
1
0.8
"L+!H-"
"""
GENERIC = (
    "label,onset_s,offset_s,onset_sample,offset_sample,notated_path,annot_path,sequence,annotation\n"
    "a,0.1,0.25,1600,4000,/data/one.wav,/data/one.wav.not.mat,0,0\n"
    "b,0.3,0.5,4800,8000,/data/one.wav,/data/one.wav.not.mat,0,0\n"
    "a,0.0,0.125,0,2000,/data/two.wav,/data/two.wav.not.mat,0,1\n"
)


def notmat(onsets, offsets, characters, **more):
    """Bytes of a file as evsonganaly saves it: columns of times, a row of characters."""
    file = io.BytesIO()
    columns = {"onsets": onsets, "offsets": offsets}
    columns = {name: np.array(times, "float64")[:, None] for name, times in columns.items()}
    more = {"Fs": 32000.0, "fname": "song.cbin", "min_dur": 20.0, "threshold": 1500.0} | more
    scipy.io.savemat(file, columns | {"labels": characters} | more, do_compression=True)
    return file.getvalue()
