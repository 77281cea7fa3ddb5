import Foundation

extension FFmpeg {
  /// - Throws: `.noSuchFile`, `.doesNotDecode`, `.tooLarge`.
  public func probe(_ path: String) throws(ClipError) -> ClipInformation {
    try Self.checkFile(path)
    let entries =
      "stream=width,height,avg_frame_rate,r_frame_rate,nb_frames,sample_aspect_ratio:stream_side_data=rotation"
    let (status, output, errors) = try text(
      of: ffprobe,
      ["-v", "error", "-select_streams", "V:0", "-show_entries", entries, "-of", "json"] + Self.input(path))
    guard status == 0 else { throw .doesNotDecode(path, reason: Self.reason(errors, "ffprobe failed")) }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let stream = (try? decoder.decode(Probe.self, from: Data(output.utf8)))?.streams?.first,
      let width = stream.width, let height = stream.height, width > 0, height > 0
    else { throw .doesNotDecode(path, reason: "it holds no video") }
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    guard !overflow, pixels <= Self.maximumPixels else { throw .tooLarge(path, width: width, height: height) }
    let aspect = stream.sampleAspectRatio.flatMap { PixelAspect($0) } ?? .square
    let isPicture = StillPicture.demuxer(of: path) != nil
    let rates = [stream.avgFrameRate, stream.rFrameRate].compactMap { $0.flatMap { FrameRate($0) } }
    var information = ClipInformation(
      width: width, height: height, rate: isPicture ? .default : rates.first ?? .default,
      frames: isPicture ? 1 : stream.nbFrames.flatMap { Int($0) },
      pixelAspect: stream.isOnItsSide ? aspect.turned : aspect, isPicture: isPicture)
    information.otherRate = rates.count == 2 && rates[0] != rates[1] ? rates[1] : nil
    return information
  }

  private struct Probe: Decodable {
    struct Stream: Decodable {
      var width: Int?
      var height: Int?
      var avgFrameRate: String?
      var rFrameRate: String?
      var nbFrames: String?
      var sampleAspectRatio: String?
      var sideDataList: [SideData]?

      struct SideData: Decodable { var rotation: Double? }

      /// ffmpeg turns the pictures as the file asks.
      var isOnItsSide: Bool {
        sideDataList?.contains { abs($0.rotation ?? 0).truncatingRemainder(dividingBy: 180) == 90 } ?? false
      }
    }
    var streams: [Stream]?
  }

  /// The first `frames` frames, cropped around the centre without scaling: rows (height − H)/2 …, columns (width −
  /// W)/2 ….
  /// - Throws: `.tooShort`, `.tooSmall`, and what `probe` throws.
  public func decode(_ path: String, frames: Int, width: Int, height: Int) throws(ClipError) -> Video {
    guard (1...Self.maximumFrames).contains(frames) else {
      throw .badRequest("--frames should be from 1 to \(Self.maximumFrames)")
    }
    guard width > 0, height > 0, width <= Self.maximumPixels / height else {
      throw .badRequest("--size should be positive and at most \(Self.maximumPixels) pixels")
    }
    let information = try probe(path)
    var assembler = FrameAssembler(frames: frames, width: width, height: height)
    // Pictures with a size of their own: a clip may turn its frames, or not be what ffprobe said.
    let arguments =
      ["-v", "error", "-nostdin"] + Self.input(path)
      // Each frame once, whatever its time: numbered anew, for none to be left out or given twice.
      + ["-map", "0:V:0", "-vf", "settb=1/25,setpts=N", "-r", "25", "-frames:v", "\(frames)"]
      + ["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"]
    let result = try run(ffmpeg, arguments) { assembler.take($0) }
    switch assembler.state {
    case .tooSmall(let w, let h):
      throw .tooSmall(path, width: w, height: h, neededWidth: width, neededHeight: height)
    case .tooLarge(let w, let h): throw .tooLarge(path, width: w, height: h)
    case .malformed: throw .doesNotDecode(path, reason: "ffmpeg's output is not understood")
    case .reading:
      if assembler.complete == 0 { throw .doesNotDecode(path, reason: Self.reason(result.errors, "it holds no frame")) }
      guard assembler.complete == frames else {
        throw information.isPicture
          ? .isPicture(path, needed: frames) : .tooShort(path, frames: assembler.complete, needed: frames)
      }
      guard
        var video = Video(
          frames: frames, height: height, width: width, values: assembler.values, rate: information.rate)
      else { throw .doesNotDecode(path, reason: "ffmpeg's output is not understood") }
      video.pixelAspect = information.pixelAspect
      if let other = information.otherRate {
        try settleRate(of: &video, path, among: [information.rate, other])
      }
      return video
    }
  }

  /// Of a file that gives several rates: the one that its first frames have, else their mean.
  private func settleRate(of video: inout Video, _ path: String, among rates: [FrameRate]) throws(ClipError) {
    // Packets come in the order of decoding, a few places from that of showing.
    let (status, output, _) = try text(
      of: ffprobe,
      ["-v", "error", "-select_streams", "V:0", "-read_intervals", "%+#\(video.frames + 32)"]
        + ["-show_entries", "packet=pts_time", "-of", "csv=p=0"] + Self.input(path))
    let times = output.split(whereSeparator: { $0.isNewline || $0 == "," }).compactMap { Double($0) }.sorted()
      .prefix(video.frames)
    guard status == 0, times.count == video.frames, video.frames > 1, let first = times.first, let last = times.last,
      last > first
    else { return }
    let mean = (last - first) / Double(video.frames - 1)
    // Containers round times, to milliseconds for one.
    let slack = max(0.0025, mean / 10)
    video.isUneven = zip(times, times.dropFirst()).contains { abs($1 - $0 - mean) > slack }
    if let near = rates.first(where: { abs($0.value * mean - 1) < 0.01 }) {
      video.rate = near
    } else if let rate = Int(exactly: (1000 / mean).rounded()).flatMap({ FrameRate($0, 1000) }) {
      // To a thousandth of a frame a second.
      video.rate = rate
    }
  }

  private static func checkFile(_ path: String) throws(ClipError) {
    var status = stat()
    guard !path.isEmpty, stat(path, &status) == 0 else { throw .noSuchFile(path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .doesNotDecode(path, reason: "it is not a regular file") }
  }
}
