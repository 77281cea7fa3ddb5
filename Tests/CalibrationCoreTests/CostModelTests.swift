import CalibrationCore
import Foundation
import Testing

@Suite struct CostModelTests {
  private func row(
    _ original: CostModel.Original, _ headSize: Int, _ tokens: Int, exact: Double, sparse: Double = 0.25,
    hasBias: Bool = false
  ) -> CostModel.Row {
    CostModel.Row(
      original: original, hasBias: hasBias, headSize: headSize, tokens: tokens, originalSeconds: 2, exactSeconds: 2 * exact,
      sparseSeconds: 2 * sparse, sparseDensity: 0.125)
  }

  private var model: CostModel {
    CostModel(
      tool: "1", machine: "m", kernel: "k", runtime: "r",
      rows: [
        row(.decomposed, 64, 256, exact: 1.5), row(.decomposed, 64, 1024, exact: 0.5),
        row(.decomposed, 128, 256, exact: 3), row(.attention, 64, 256, exact: 2),
        row(.attention, 64, 256, exact: 4, hasBias: true),
      ])
  }

  private func share(
    _ tokens: Double, _ original: CostModel.Original = .decomposed, headSize: Int = 64, density: Double = 1
  ) -> Double? {
    model.share(of: original, headSize: headSize, tokens: tokens, density: density)
  }

  @Test func interpolatesInTheLogarithmOfTokens() {
    #expect(share(256) == 1.5)
    #expect(share(1024) == 0.5)
    // 512 is half way from 256 to 1,024.
    #expect(abs((share(512) ?? 0) - 1) < 1e-12)
  }

  @Test func staysAtTheEnds() {
    #expect(share(1) == 1.5)
    #expect(share(.infinity) == 0.5)
  }

  @Test func takesTheNearestHeadSizeAndTheOriginalAlone() {
    #expect(share(256, headSize: 100) == 3)
    #expect(share(256, headSize: 80) == 1.5)
    #expect(share(256, .attention, headSize: 128) == 2)
    #expect(share(256, .multiHeadAttention) == nil)
  }

  @Test func aBiasHasFiguresOfItsOwn() {
    #expect(model.share(of: .attention, hasBias: true, headSize: 64, tokens: 256, density: 1) == 4)
    #expect(model.share(of: .decomposed, hasBias: true, headSize: 64, tokens: 256, density: 1) == nil)
  }

  @Test func aSparseRunIsItsFloorAndWhatItListsBeyond() {
    // 0.25, and a half less 0.125 of exact attention's 1.5.
    #expect(abs((share(256, density: 0.5) ?? 0) - (0.25 + 0.375 * 1.5)) < 1e-12)
    #expect(share(256, density: 0.01) == 0.25)
  }

  @Test func survivesAFile() throws {
    #expect(try CostModel.decoded(model.encoded(), file: "cost.json") == model)
    #expect(throws: CalibrationError.self) {
      _ = try CostModel.decoded(Data("{\"schema\": \"isa-patch/cost/9\"}".utf8), file: "cost.json")
    }
  }
}
