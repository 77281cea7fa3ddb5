import Testing
import VideoPipeline

/// Against numbers that numpy computed by the definitions (Tests/Fixtures/make_metrics.py).
@Suite struct VideoQualityTests {
  @Test func psnrAndSSIMAreNumpys() throws {
    let arrays = try Npz.read(Fixture.path("metrics.npz"))
    let video = try #require(arrays["video"].flatMap { Video($0) })
    let reference = try #require(arrays["reference"].flatMap { Video($0) })
    let quality = try #require(VideoQuality(of: video, against: reference))
    let psnr = try #require(arrays["psnr"]?.doubles.first)
    let framePSNR = try #require(arrays["frame_psnr"]?.doubles)
    let frameSSIM = try #require(arrays["frame_ssim"]?.doubles)
    #expect(abs(quality.psnr - psnr) < 1e-9)
    for (ours, theirs) in zip(quality.framePSNR + quality.frameSSIM, framePSNR + frameSSIM) {
      #expect(abs(ours - theirs) < 1e-9)
    }
    #expect(abs(quality.ssim - frameSSIM.reduce(0, +) / 3) < 1e-9)
    #expect(quality.worstFrame == 1)
  }

  @Test func anEqualVideoIsPerfect() throws {
    let video = try #require(Video(frames: 2, height: 12, width: 12, values: Noise.normal(count: 864, seed: 1)))
    let quality = try #require(VideoQuality(of: video, against: video))
    #expect(quality.psnr == .infinity)
    #expect(abs(quality.ssim - 1) < 1e-12)
  }

  /// Beyond the range all is the same colour.
  @Test func valuesAreClippedFirst() throws {
    let bright = try #require(Video(frames: 1, height: 4, width: 4, values: Array(repeating: 1.5, count: 48)))
    let white = try #require(Video(frames: 1, height: 4, width: 4, values: Array(repeating: 1, count: 48)))
    let grey = try #require(Video(frames: 1, height: 4, width: 4, values: Array(repeating: 0, count: 48)))
    #expect(VideoQuality(of: bright, against: white)?.psnr == .infinity)
    // Half the range everywhere: 10 log10(4/1).
    let quality = try #require(VideoQuality(of: grey, against: white))
    #expect(abs(quality.psnr - 6.020599913279624) < 1e-12)
  }

  @Test func whatIsNotANumberIsNeverGood() throws {
    let white = try #require(Video(frames: 1, height: 4, width: 4, values: Array(repeating: 1, count: 48)))
    let broken = try #require(Video(frames: 1, height: 4, width: 4, values: Array(repeating: .nan, count: 48)))
    let quality = try #require(VideoQuality(of: broken, against: white))
    #expect(quality.psnr == 0)
  }

  @Test func otherSizesHaveNoQuality() throws {
    let a = try #require(Video(frames: 1, height: 4, width: 4, values: Array(repeating: 0, count: 48)))
    let b = try #require(Video(frames: 1, height: 2, width: 8, values: Array(repeating: 0, count: 48)))
    #expect(VideoQuality(of: a, against: b) == nil)
  }

  @Test func differencesOfArrays() throws {
    #expect(Difference.relativeL2([3, 4], [0, 0]) == .infinity)
    #expect(Difference.relativeL2([0, 0], [0, 0]) == 0)
    #expect(Difference.relativeL2([3, 4, 5], [3, 4, 0]) == 1)
    #expect(Difference.largest([1, -2], [1.5, 2]) == 4)
    #expect(Difference.largest([.nan], [1])?.isNaN == true)
    #expect(Difference.relativeL2([1], [1, 2]) == nil)
  }
}
