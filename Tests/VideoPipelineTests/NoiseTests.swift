import Testing
import VideoPipeline

/// Against the table that was published with the first editor, made by numpy.
@Suite struct NoiseTests {
  @Test(
    arguments: [
      (0, 0, 0xe220_a839_7b1d_cdaf), (0, 1, 0x6e78_9e6a_a1b9_65f4), (12345, 0, 0x2211_8258_a9d1_11a0),
    ] as [(UInt64, UInt64, UInt64)])
  func bitsAreSplitMix64(seed: UInt64, index: UInt64, expected: UInt64) {
    #expect(Noise.bits(seed: seed, index: index) == expected)
  }

  @Test(
    arguments: [
      (0, [-0.494578779, -0.877141297, -2.69559264, -0.10635744, -0.726935327]),
      (1, [-1.04003775, -0.610216081, 0.240910292, -0.599604785, 0.687883615]),
      (12345, [-1.04025733, 1.73828292, -2.06060481, 0.265581965, 0.585347474]),
    ] as [(UInt64, [Float])])
  func valuesAreThePublishedOnes(seed: UInt64, expected: [Float]) {
    let noise = Noise.normal(count: 393_216, seed: seed)
    // Decimal digits and libm's last bit.
    for (index, value) in zip([0, 1, 2, 1000, 393_215], expected) {
      #expect(abs(noise[index] - value) <= 2 * value.ulp)
    }
  }

  @Test func itIsStandardNormal() {
    let noise = Noise.normal(count: 1 << 18, seed: 7).map(Double.init)
    let n = Double(noise.count)
    let mean = noise.reduce(0, +) / n
    let variance = noise.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
    let fourth = noise.reduce(0) { $0 + ($1 - mean) * ($1 - mean) * ($1 - mean) * ($1 - mean) } / n
    // Five standard errors.
    #expect(abs(mean) < 5 / n.squareRoot())
    #expect(abs(variance - 1) < 5 * (2 / n).squareRoot())
    #expect(abs(fourth - 3) < 5 * (96 / n).squareRoot())
  }
}
