"""Takes the pictures of a generated recording with all their labels, several at a time, and stores them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from perception.core.geometry import apply, inverse
from perception.core.stamps import NS_PER_S
from perception.io.datasets.pictures import write_classes, write_depth, write_instances, write_jpeg, write_normals
from perception.world.ahead import done_ahead
from perception.world.data_sets import DataSets, Wanted
from perception.world.recording import SyntheticRecording
from perception.world.sensors.cameras import Camera
from perception.world.sensors.lidar import SWEEP_NS
from perception.world.shelf import PictureLabels, Shelf
from perception.world.truth.beams import Beams, beams_of, joined_beams, sweeps_around
from perception.world.truth.boxes import label_boxes
from perception.world.truth.instances import ObjectTruth, semantics_of
from perception.world.truth.lines import LineTruth
from perception.world.truth.occupancy import KEY_FRAME_NS, OccupancyTruth

Note = Callable[[], None]  # what the first thread does with a finished job
AHEAD = 4  # jobs that wait to be noted while others are done


class Studio:
    """Takes and labels the pictures of one recording. What an interrupted run has finished is not made again."""

    def __init__(self, recording: SyntheticRecording, folder: Path, wanted: Wanted) -> None:
        self.recording, self.wanted = recording, wanted
        self.shelf = Shelf(folder)
        self.data_sets = DataSets(recording, folder, wanted)
        self._objects = ObjectTruth(recording.scene, recording.world)
        self._lines = LineTruth(recording.scene, recording.world) if wanted.lines else None
        self._occupancy = OccupancyTruth(recording.scene, recording.world) if wanted.occ3d else None
        self.jobs = self._jobs()

    def take_all(self, progress: Callable[[int], None]) -> None:
        """Take every picture and key frame, then write the data sets. `progress` is told how many are done."""
        try:
            for done, note in enumerate(done_ahead(self.jobs, self.recording.num_threads, AHEAD), start=1):
                note()
                progress(done)
        except BaseException:
            self.data_sets.abort()
            raise
        self.data_sets.close()

    def _jobs(self) -> list[Callable[[], Note]]:
        """What is to be done, in the order in which it is noted."""
        recording, jobs = self.recording, []
        every = max(1, recording.config.cameras.rate * KEY_FRAME_NS // NS_PER_S)
        for number in range(recording.num_pictures):
            jobs += [partial(self._picture, camera, number) for camera in recording.cameras]
            if self._occupancy is not None and number % every == 0:
                jobs.append(partial(self._key_frame, number))
        return jobs

    def _picture(self, camera: Camera, number: int) -> Note:
        """Render, label and store one picture; its labels are stored when it is noted, and that completes it."""
        if self.shelf.has(camera, number):
            return _nothing
        recording = self.recording
        exposure = recording.exposure(camera, number)
        frame = recording.renderer.render(exposure)
        objects = self._objects.labels(exposure, frame.rows)
        has_lines = self._lines is not None and camera.model.distortion == "none"
        lines = self._lines.segments(exposure, frame.rows, frame.depth) if has_lines else None
        write_jpeg(self.shelf.path("images", camera, number, "jpg"), frame.color, recording.config.cameras.jpeg_quality)
        if self.wanted.pixels:
            write_instances(self.shelf.path("instance", camera, number, "png"), objects.instance_map)
            write_classes(self.shelf.path("semantic", camera, number, "png"), semantics_of(recording.world, frame.rows))
            write_depth(self.shelf.path("depth", camera, number, "png"), frame.depth)
        if self.wanted.normals:
            write_normals(self.shelf.path("normals", camera, number, "png"), frame.normals)
        labels = PictureLabels(objects, lines)

        def note() -> None:
            self.data_sets.add_picture(camera, number, labels)
            self.shelf.put_labels(camera, number, labels)

        return note

    def _key_frame(self, number: int) -> Note:
        """Label the occupancy around the robot at the stamp of the first camera."""
        if self.data_sets.has_key_frame(number):
            return _nothing
        recording = self.recording
        time_ns = recording.picture_time_ns(recording.cameras[0], number)
        exposures = [recording.exposure(camera, number) for camera in recording.cameras]
        sweeps = sweeps_around(time_ns, KEY_FRAME_NS // 2, recording.num_scans)
        beams = joined_beams(beams_of(recording.lidar, recording.scan(sweep), sweep * SWEEP_NS) for sweep in sweeps)
        T_world_ego, robot_x = recording.T_world_base(time_ns), float(recording.T_odom_base(time_ns)[0, 3])
        labels = self._occupancy.labels(time_ns, T_world_ego, exposures, beams)
        boxes = label_boxes(recording.scene, time_ns, T_world_ego, robot_x, _returns_at(time_ns, T_world_ego, beams))
        return partial(self.data_sets.add_key_frame, number, labels, boxes)


def _returns_at(time_ns: int, T_world_ego: np.ndarray, beams: Beams) -> np.ndarray:
    """Points (N, 3) in the ego frame of the sweep during which a key frame is: things have hardly moved since."""
    is_near = np.abs(beams.times_ns - time_ns) <= SWEEP_NS // 2
    return apply(inverse(T_world_ego), beams.ends[is_near])


def _nothing() -> None:
    """What there is to note about something that was noted before."""
