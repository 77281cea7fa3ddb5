import Foundation

extension FFmpeg {
  /// - Throws: `.noSuchFile`, `.doesNotDecode`, `.tooLarge`.
  public func probe(_ path: String) throws(ClipError) -> ClipInformation {
    try Self.checkFile(path)
    let entries = "stream=width,height,avg_frame_rate,r_frame_rate,nb_frames"
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
    let rates = [stream.avgFrameRate, stream.rFrameRate].compactMap { $0.flatMap { FrameRate($0) } }
    return ClipInformation(
      width: width, height: height, rate: rates.first ?? .default, frames: stream.nbFrames.flatMap { Int($0) })
  }

  private struct Probe: Decodable {
    struct Stream: Decodable {
      var width: Int?
      var height: Int?
      var avgFrameRate: String?
      var rFrameRate: String?
      var nbFrames: String?
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
      + ["-map", "0:V:0", "-frames:v", "\(frames)", "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"]
    let result = try run(ffmpeg, arguments) { assembler.take($0) }
    switch assembler.state {
    case .tooSmall(let w, let h):
      throw .tooSmall(path, width: w, height: h, neededWidth: width, neededHeight: height)
    case .tooLarge(let w, let h): throw .tooLarge(path, width: w, height: h)
    case .malformed: throw .doesNotDecode(path, reason: "ffmpeg's output is not understood")
    case .reading:
      if assembler.complete == 0 { throw .doesNotDecode(path, reason: Self.reason(result.errors, "it holds no frame")) }
      guard assembler.complete == frames else {
        throw .tooShort(path, frames: assembler.complete, needed: frames)
      }
      guard
        let video = Video(
          frames: frames, height: height, width: width, values: assembler.values, rate: information.rate)
      else { throw .doesNotDecode(path, reason: "ffmpeg's output is not understood") }
      return video
    }
  }

  private static func checkFile(_ path: String) throws(ClipError) {
    var status = stat()
    guard !path.isEmpty, stat(path, &status) == 0 else { throw .noSuchFile(path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .doesNotDecode(path, reason: "it is not a regular file") }
  }
}
