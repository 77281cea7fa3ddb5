import Foundation
import Testing
import VideoPipeline

/// With the ffmpeg of this machine.
@Suite struct ClipTests {
  let ffmpeg: FFmpeg
  let folder: ScratchFolder

  init() throws {
    ffmpeg = try FFmpeg.find()
    folder = try ScratchFolder()
  }

  @Test func framesAreTheCentreOfTheClip() throws {
    let path = folder.file("clip.mp4")
    try TestClip.make(path)
    let video = try ffmpeg.decode(path, frames: 3, width: 16, height: 24)
    #expect(video.shape == [1, 3, 3, 24, 16])
    #expect(video.rate == FrameRate(10, 1))
    let rgb = try TestClip.rgb(path)
    var expected: [Float] = []
    for channel in 0..<3 {
      for frame in 0..<3 {
        for y in 8..<32 {
          for x in 17..<33 { expected.append(Float(rgb[((frame * 40 + y) * 50 + x) * 3 + channel]) / 127.5 - 1) }
        }
      }
    }
    #expect(video.values == expected)
  }

  @Test func aFileTellsItsSizeRateAndLength() throws {
    let path = folder.file("clip.mp4")
    try TestClip.make(path, frames: 7, rate: "30000/1001")
    let information = try ffmpeg.probe(path)
    #expect(
      information == ClipInformation(width: 50, height: 40, rate: try #require(FrameRate(30000, 1001)), frames: 7))
  }

  /// A telephone's clip says how to turn it, and ffmpeg turns it: the size is that of the pictures, not the file's.
  @Test func aTurnedClipIsCroppedAsItIsShown() throws {
    let flat = folder.file("flat.mp4")
    let turned = folder.file("turned.mp4")
    try TestClip.make(flat)
    try TestClip.run(["-i", flat, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned])
    let video = try ffmpeg.decode(turned, frames: 2, width: 40, height: 50)
    #expect(video.shape == [1, 3, 2, 50, 40])
  }

  @Test(arguments: [
    "-i.mp4", "-y", "a b.mp4", "it's.mp4", "$(touch x).mp4", "a:b.mp4", "http:x.mp4", "pipe:0", "concat:a|b.mp4",
    "%03d.mp4",
    "ü\u{301}.mp4", "new\nline.mp4", "--.mp4", "*.mp4", "\"q\".mp4", "back\\slash.mp4", "[0:v].mp4",
  ])
  func anyFileNameReadsAndWrites(name: String) throws {
    let plain = folder.file("plain.mp4")
    try TestClip.make(plain, size: "32x32", frames: 2)
    let path = folder.file(name)
    try FileManager.default.copyItem(atPath: plain, toPath: path)
    let video = try ffmpeg.decode(path, frames: 2, width: 32, height: 32)
    try ffmpeg.encode(video, to: path)
    #expect(try ffmpeg.probe(path).frames == 2)
    #expect(folder.contents == ["plain.mp4", name].sorted())
  }

  @Test func aRelativeNameWithADashIsNoOption() throws {
    let path = FileManager.default.currentDirectoryPath
    let name = "-i-\(UUID().uuidString).mp4"
    defer { try? FileManager.default.removeItem(atPath: "\(path)/\(name)") }
    let video = try #require(Video(frames: 1, height: 16, width: 16, values: Array(repeating: 0.5, count: 768)))
    try ffmpeg.encode(video, to: name)
    #expect(try ffmpeg.decode(name, frames: 1, width: 16, height: 16).shape == video.shape)
  }

  @Test func whatIsWrittenIsNearWhatWasGiven() throws {
    let source = folder.file("clip.mp4")
    try TestClip.make(source, size: "64x48", frames: 5, rate: "24000/1001")
    let video = try ffmpeg.decode(source, frames: 5, width: 64, height: 48)
    let path = folder.file("out.mp4")
    try ffmpeg.encode(video, to: path)
    let information = try ffmpeg.probe(path)
    #expect(information == ClipInformation(width: 64, height: 48, rate: video.rate, frames: 5))
    let back = try ffmpeg.decode(path, frames: 5, width: 64, height: 48)
    // Colour edges of the test picture suffer from halved chroma; brightness does not.
    #expect(try #require(VideoQuality(of: back, against: video)).psnr > 28)
    #expect(try TestClip.run(["-i", path, "-f", "null", "-"]).isEmpty)
  }

  @Test func aGreySurvivesEncodingWithinOneStep() throws {
    let greys: [Float] = [-0.75, -0.25, 0.25, 0.75]
    let values = (0..<3 * 4 * 1024).map { greys[$0 / 1024 % 4] }
    let video = try #require(Video(frames: 4, height: 32, width: 32, values: values))
    let path = folder.file("grey.mp4")
    try ffmpeg.encode(video, to: path)
    let back = try ffmpeg.decode(path, frames: 4, width: 32, height: 32)
    #expect(zip(back.values, values).allSatisfy { abs($0 - $1) < 2.5 / 127.5 })
  }

  @Test func oddSizesArePadded() throws {
    let video = try #require(Video(frames: 2, height: 15, width: 17, values: Array(repeating: 0, count: 2 * 3 * 255)))
    let path = folder.file("odd.mp4")
    try ffmpeg.encode(video, to: path)
    #expect(try ffmpeg.probe(path).width == 18)
  }

  @Test func aClipThatIsTooShortOrTooSmallSaysBothNumbers() throws {
    let path = folder.file("clip.mp4")
    try TestClip.make(path, frames: 4)
    let short = #expect(throws: ClipError.self) { try ffmpeg.decode(path, frames: 5, width: 16, height: 16) }
    #expect(short == .tooShort(path, frames: 4, needed: 5))
    let small = #expect(throws: ClipError.self) { try ffmpeg.decode(path, frames: 2, width: 64, height: 16) }
    #expect(small == .tooSmall(path, width: 50, height: 40, neededWidth: 64, neededHeight: 16))
    #expect(short?.exitCode == 65)
    #expect(small?.exitCode == 65)
  }

  @Test func whatIsNoClipDoesNotDecode() throws {
    let text = folder.file("text.mp4")
    try Data("this is no video".utf8).write(to: URL(fileURLWithPath: text))
    let empty = folder.file("empty.mp4")
    try Data().write(to: URL(fileURLWithPath: empty))
    let sound = folder.file("sound.mp4")
    try TestClip.run(["-f", "lavfi", "-i", "sine", "-t", "0.2", sound])
    let cut = folder.file("cut.mp4")
    try TestClip.make(cut)
    try Data(contentsOf: URL(fileURLWithPath: cut)).prefix(600).write(to: URL(fileURLWithPath: cut))
    for path in [text, empty, sound, cut, folder.path, "/dev/zero"] {
      let error = #expect(throws: ClipError.self) { try ffmpeg.decode(path, frames: 1, width: 16, height: 16) }
      guard case .doesNotDecode(path, _)? = error else {
        Issue.record("\(path): \(String(describing: error))")
        continue
      }
      #expect(error?.exitCode == 65)
    }
    #expect(throws: ClipError.noSuchFile("none.mp4")) { try ffmpeg.probe("none.mp4") }
  }

  /// A playlist would read other files of the machine.
  @Test(arguments: [
    "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n",
    "ffconcat version 1.0\nfile other.mp4\n",
  ])
  func playlistsAreRefused(text: String) throws {
    try TestClip.make(folder.file("other.mp4"))
    let path = folder.file("list.mp4")
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: ClipError.self) { try ffmpeg.decode(path, frames: 1, width: 16, height: 16) }
    #expect(error?.exitCode == 65)
  }

  /// Shape of the pixels: that of the pictures as they are shown, kept in what is written.
  @Test func theShapeOfPixelsIsKept() throws {
    let wide = folder.file("wide.mp4")
    try TestClip.make(wide, options: ["-vf", "setsar=2/1"])
    let turned = folder.file("turned.mp4")
    try TestClip.run(["-i", wide, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned])
    let square = folder.file("square.mp4")
    try TestClip.make(square)
    for (path, aspect) in [(wide, PixelAspect(2, 1)), (turned, PixelAspect(1, 2)), (square, PixelAspect.square)] {
      let video = try ffmpeg.decode(path, frames: 2, width: 32, height: 32)
      #expect(video.pixelAspect == aspect)
      for name in ["out.mp4", "out.png"] {
        let one = try ffmpeg.decode(path, frames: 1, width: 32, height: 32)
        let out = folder.file(name)
        try ffmpeg.encode(name == "out.png" ? one : video, to: out)
        #expect(try ffmpeg.probe(out).pixelAspect == aspect, "\(path) \(name)")
      }
    }
  }

  /// Every frame once, whatever its time; the rate is that of the frames that are read.
  @Test func framesThatLieUnevenlyAreReadOnce() throws {
    let path = folder.file("uneven.mp4")
    // Six frames a tenth of a second apart, then three times as far.
    try TestClip.run([
      "-f", "lavfi", "-i", "testsrc=size=32x32:rate=10", "-frames:v", "12", "-vf",
      "setpts='if(lt(N,6),N*0.1,0.6+(N-6)*0.3)/TB'", "-vsync", "vfr", "-c:v", "libx264", "-crf", "10", "-pix_fmt",
      "yuv420p",
      path,
    ])
    let all = try ffmpeg.decode(path, frames: 12, width: 32, height: 32)
    #expect(all.isUneven)
    // The last stands at 2.1 s.
    #expect(abs(all.rate.value - 11 / 2.1) < 0.001)
    let even = try ffmpeg.decode(path, frames: 6, width: 32, height: 32)
    #expect(!even.isUneven)
    #expect(even.rate == FrameRate(10, 1))
    let rgb = try TestClip.run(["-i", path, "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"])
    #expect((0..<12).flatMap { all.rgb(frame: $0) } == rgb)
  }

  @Test(arguments: ["png", "jpg", "webp", "bmp", "tiff", "ppm", "%03d.png", "no-ending"])
  func picturesAreOneFrame(ending: String) throws {
    let path = folder.file(ending == "no-ending" ? "picture" : "a.\(ending)")
    // WebP's encoder halves the colours' resolution unless it is lossless.
    try TestClip.run(
      ["-f", "lavfi", "-i", "testsrc=size=48x32", "-frames:v", "1", "-update", "1"]
        + (ending == "webp" ? ["-lossless", "1"] : []) + ["-f", "image2", "-c:v", codec(ending), path])
    let information = try ffmpeg.probe(path)
    #expect(information.isPicture)
    #expect(information.frames == 1)
    let video = try ffmpeg.decode(path, frames: 1, width: 48, height: 32)
    let expected = try TestClip.run(["-f", "lavfi", "-i", "testsrc=size=48x32", "-frames:v", "1"] + Self.raw)
    let worst = zip(video.rgb(frame: 0), expected).map { abs(Int($0) - Int($1)) }.max() ?? 255
    #expect(worst <= (["jpg", "webp"].contains(ending) ? 120 : 0), "\(worst)")
    #expect(throws: ClipError.isPicture(path, needed: 3)) { try ffmpeg.decode(path, frames: 3, width: 16, height: 16) }
  }

  private static let raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]

  private func codec(_ ending: String) -> String {
    switch ending {
    case "jpg": "mjpeg"
    case "webp": "libwebp"
    case "bmp", "tiff", "ppm": ending
    default: "png"
    }
  }

  /// An animated PNG is a clip.
  @Test func anAnimatedPNGIsAClip() throws {
    let path = folder.file("a.png")
    try TestClip.run(["-f", "lavfi", "-i", "testsrc=size=32x32:rate=5", "-frames:v", "4", "-f", "apng", path])
    #expect(try !ffmpeg.probe(path).isPicture)
    #expect(try ffmpeg.decode(path, frames: 4, width: 16, height: 16).frames == 4)
  }

  @Test(arguments: ["out.png", "out.jpg", "OUT.JPEG"]) func aFrameIsWrittenAsAPicture(name: String) throws {
    let values: [Float] = (0..<765).map { index in Float(index / 8 % 2) - 0.5 }
    let video = try #require(Video(frames: 1, height: 15, width: 17, values: values))
    let path = folder.file(name)
    try ffmpeg.encode(video, to: path)
    #expect(try ffmpeg.probe(path).isPicture)
    let back = try TestClip.rgb(path)
    if name == "out.png" { #expect(back == video.rgb(frame: 0)) }
    #expect(back.count == video.rgb(frame: 0).count)
    let two = try #require(Video(frames: 2, height: 1, width: 1, values: Array(repeating: 0, count: 6)))
    #expect(throws: ClipError.self) { try ffmpeg.encode(two, to: folder.file("two.png")) }
    #expect(folder.contents == [name])
  }

  @Test func whatCannotBeEncodedIsKnownBefore() throws {
    for format in ClipFormat.allCases { try ffmpeg.checkEncoder(for: format) }
    let script = folder.file("ffmpeg")
    try Data("#!/bin/sh\necho Codec is not recognized by FFmpeg.\n".utf8).write(to: URL(fileURLWithPath: script))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
    let poor = FFmpeg(ffmpeg: script, ffprobe: script)
    #expect(throws: ClipError.encoderMissing("libx264")) { try poor.checkEncoder(for: .mp4) }
  }

  @Test func anOutputThatCannotBeMadeLeavesNothing() throws {
    let video = try #require(Video(frames: 1, height: 16, width: 16, values: Array(repeating: 0, count: 768)))
    for path in [folder.file("none/out.mp4"), folder.path, "/proc/out.mp4"] {
      let error = #expect(throws: ClipError.self) { try ffmpeg.encode(video, to: path) }
      #expect(error?.exitCode == 73)
    }
    #expect(folder.contents.isEmpty)
  }

  /// An encoder that fails or ends early is an error, removes the file, and neither blocks nor kills this process.
  @Test(arguments: ["/bin/false", "/bin/true"])
  func anEncoderThatEndsEarlyDoesNotBlock(program: String) throws {
    let video = try #require(
      Video(frames: 40, height: 256, width: 256, values: Array(repeating: 0, count: 40 * 3 * 65536)))
    let broken = FFmpeg(ffmpeg: program, ffprobe: program)
    let path = folder.file("out.mp4")
    let error = #expect(throws: ClipError.self) { try broken.encode(video, to: path) }
    #expect(error?.exitCode == 73)
    #expect(folder.contents.isEmpty)
  }

  @Test func aMissingProgramSaysWhatToInstall() {
    let error = #expect(throws: ClipError.self) { try FFmpeg.find(environment: ["PATH": "/nonexistent"]) }
    #expect(error?.exitCode == 69)
    #expect(error?.message.contains("apt-get install ffmpeg") == true)
  }

  @Test func requestsOutOfRangeAreRefusedBeforeAnythingIsAllocated() {
    for (frames, width, height) in [(0, 8, 8), (5000, 8, 8), (1, 0, 8), (1, .max, .max), (1, -8, 8)] {
      let error = #expect(throws: ClipError.self) {
        try ffmpeg.decode("none.mp4", frames: frames, width: width, height: height)
      }
      #expect(error?.exitCode == 64)
    }
  }
}
