"""Reasons in the manner of pretrained models of 2 to 12 billion parameters, with hand-labelled comparisons.

Written and labelled before the reader of cues was tried on any of them. The even numbers (0, 2, ...) are for
development; the odd ones are only counted. Labels: region, then + (agree), - (differ) or 0 (cannot be seen).
"""

from __future__ import annotations

from dataclasses import dataclass

H, T, U, V, L, S, B, Z = "hair", "headwear", "upper clothing", "sleeves", "lower clothing", "shoes", "bag", "build"


@dataclass(frozen=True)
class Written:
    """A reason: the manner it imitates, its words, what it says of each region, the answer that it argues for."""

    manner: str
    text: str
    cues: dict[str, str]
    answer: str


REASONS: tuple[Written, ...] = (
    Written("Qwen2.5-VL-7B",
            "Both individuals appear to have short dark hair and are dressed in white T-shirts paired with dark shorts."
            " They are also both carrying a black backpack. The footwear in both images looks like white sneakers.",
            {H: "+", U: "+", L: "+", B: "+", S: "+"}, "same"),
    Written("Qwen2.5-VL-7B",
            "Person A is wearing a light blue shirt and black pants, while Person B is wearing a red dress. Person A"
            " has short hair, whereas Person B has long hair tied in a ponytail.",
            {U: "-", H: "-"}, "different"),
    Written("Qwen2.5-VL-7B",
            "The two people share the same hairstyle, and neither is wearing anything on their head. Their tops are"
            " both grey. However, one has on blue jeans and the other is in black leggings.",
            {H: "+", T: "+", U: "+", L: "-"}, "different"),
    Written("Qwen2.5-VL-7B",
            "Hair: both have dark, short hair. Headwear: neither wears any. Upper clothing: A has a purple T-shirt, B"
            " has a purple T-shirt. Lower clothing: A is in grey trousers, B is in grey trousers. Shoes: not visible"
            " in B.",
            {H: "+", T: "+", U: "+", L: "+", S: "0"}, "same"),
    Written("Qwen3-VL-8B",
            "Comparing the two: hair is short and black in A and short and black in B. The upper clothing matches"
            " (yellow T-shirt). For the lower half, A wears dark jeans and B wears dark jeans. Shoes are consistent."
            " No bag in either image.",
            {H: "+", U: "+", L: "+", S: "+", B: "+"}, "same"),
    Written("Qwen3-VL-8B",
            "- Hair: A has long dark hair; B's hair is short.\n- Upper clothing: A: pink top. B: green jacket.\n"
            "- Lower clothing: both dark pants.\n- Bag: A carries a handbag; B doesn't carry anything.",
            {H: "-", U: "-", L: "+", B: "-"}, "different"),
    Written("Qwen3-VL-8B",
            "**Upper clothing:** Person A wears a white polo with a dark collar; Person B wears the same kind of white"
            " polo. **Lower clothing:** Both are in beige shorts. **Shoes:** A's are dark, B's look dark as well.",
            {U: "+", L: "+", S: "+"}, "same"),
    Written("Qwen3-VL-8B",
            "The most obvious discrepancy is in the lower clothing: A wears shorts, B wears a long skirt. In addition,"
            " A's backpack is missing in B.",
            {L: "-", B: "-"}, "different"),
    Written("InternVL3-8B",
            "Upon comparing the two images, the following can be observed:\n1. **Hair**: Person A has black hair,"
            " similar to Person B.\n2. **Upper clothing**: Person A wears a red T-shirt, which is identical to the one"
            " worn by Person B.\n3. **Shoes**: The shoes cannot be clearly seen in the second image.",
            {H: "+", U: "+", S: "0"}, "same"),
    Written("InternVL3-8B",
            "1. **Hair**: Both individuals have dark hair.\n2. **Upper Clothing**: Person A wears a striped shirt,"
            " whereas Person B is dressed in a plain black T-shirt.\n3. **Lower Clothing**: Person A wears blue jeans."
            " Person B wears a grey skirt.\n4. **Build**: Both appear to have a slim build.",
            {H: "+", U: "-", L: "-", Z: "+"}, "different"),
    Written("InternVL3-8B",
            "The individuals in the two images have different hair lengths: the first has shoulder-length hair and the"
            " second has a buzz cut. Their shirts also do not match in color.",
            {H: "-", U: "-"}, "different"),
    Written("InternVL3-8B",
            "Both images show a person in a dark jacket. The trousers are light in the first image but dark in the"
            " second. The shoes, as far as can be seen, are the same.",
            {U: "+", L: "-", S: "+"}, "different"),
    Written("LLaVA-OneVision-7B",
            "The person in the first image is wearing a blue shirt and khaki shorts, and the person in the second"
            " image is wearing a blue shirt and khaki shorts. They both have a backpack.",
            {U: "+", L: "+", B: "+"}, "same"),
    Written("LLaVA-OneVision-7B",
            "The person on the left is a woman with long brown hair and a white blouse. The person on the right is a"
            " man with short hair and a black T-shirt.",
            {H: "-", U: "-"}, "different"),
    Written("LLaVA-OneVision-7B",
            "In the first picture the individual carries a red handbag, and in the second picture there is no handbag"
            " to be seen. The dress is the same, though.",
            {B: "-", U: "+"}, "different"),
    Written("LLaVA-OneVision-7B",
            "They look like the same person because the clothes match: a green top, black trousers and white shoes in"
            " both pictures.",
            {U: "+", L: "+", S: "+"}, "same"),
    Written("Gemma-3-12B",
            "Okay, let's compare. Hair - A: short, dark. B: short, dark. Top - A: grey hoodie. B: grey hoodie. Bottoms"
            " - A: black sweatpants. B: blue jeans. So the lower clothing doesn't line up.",
            {H: "+", U: "+", L: "-"}, "different"),
    Written("Gemma-3-12B",
            "Neither person has a hat. Both wear long-sleeved shirts, but the color is off: A's is orange and B's is"
            " navy blue.",
            {T: "+", V: "+", U: "-"}, "different"),
    Written("Gemma-3-12B",
            "A's outfit (white tee, denim shorts, white trainers) is the same as B's outfit (white tee, denim shorts,"
            " white trainers).",
            {U: "+", L: "+", S: "+"}, "same"),
    Written("Gemma-3-12B",
            "I can't make out the shoes in either crop, and the bag is hidden behind the body in A. The top looks"
            " alike.",
            {S: "0", B: "0", U: "+"}, "insufficient"),
    Written("Llama-3.2-Vision-11B",
            "The individuals depicted in the two images exhibit several similarities, including their dark hair, white"
            " shirts, and black pants. Furthermore, both possess a similar build.",
            {H: "+", U: "+", L: "+", Z: "+"}, "same"),
    Written("Llama-3.2-Vision-11B",
            "There are notable differences between the two: their hair color, their shirts and their shoes.",
            {H: "-", U: "-", S: "-"}, "different"),
    Written("Llama-3.2-Vision-11B",
            "While the shirt of Person A is red, that of Person B is blue. The pants are the same color, and the shoes"
            " are similar in style.",
            {U: "-", L: "+", S: "+"}, "different"),
    Written("Llama-3.2-Vision-11B",
            "Person A is not carrying a bag, and neither is Person B. Their hair, however, is not the same length.",
            {B: "+", H: "-"}, "different"),
    Written("MiniCPM-V-8B",
            "Two people with the same short hair. The upper garment is a black T-shirt in both cases. One wears"
            " sandals; the other wears sneakers.",
            {H: "+", U: "+", S: "-"}, "different"),
    Written("MiniCPM-V-8B",
            "Image 1: woman, pink jacket, black leggings, white shoes. Image 2: woman, pink jacket, black leggings,"
            " white shoes.",
            {U: "+", L: "+", S: "+"}, "same"),
    Written("MiniCPM-V-8B",
            "The hats are different: a cap in the first, none in the second. Otherwise the coat is the same and so are"
            " the boots.",
            {T: "-", U: "+", S: "+"}, "different"),
    Written("MiniCPM-V-8B",
            "Sleeves: short in both. Top: white in both. Trousers: black in A versus grey in B.",
            {V: "+", U: "+", L: "-"}, "different"),
    Written("SmolVLM2-2.2B",
            "Both persons are wearing a blue shirt and black pants. They have the same hair.",
            {U: "+", L: "+", H: "+"}, "same"),
    Written("SmolVLM2-2.2B",
            "Person A has a yellow backpack. Person B does not have a backpack. Person A has white shoes. Person B has"
            " black shoes.",
            {B: "-", S: "-"}, "different"),
    Written("SmolVLM2-2.2B",
            "The man in image A wears a striped shirt. The man in image B wears a striped shirt. The shorts are"
            " different colors.",
            {U: "+", L: "-"}, "different"),
    Written("SmolVLM2-2.2B",
            "Person A is wearing a jacket with long sleeves. Person B is wearing a t-shirt with short sleeves.",
            {U: "-", V: "-"}, "different"),
    Written("Pixtral-12B",
            "Hair and build are consistent across both pictures. The clothing is not: A's jacket is dark green with a"
            " hood, whereas B has no jacket at all, only a white shirt.",
            {H: "+", Z: "+", U: "-"}, "different"),
    Written("Pixtral-12B",
            "Everything that can be compared agrees: cropped grey hair, a brown coat, blue jeans, brown boots. Only"
            " the bag can't be verified, since A is cut off at the waist.",
            {H: "+", U: "+", L: "+", S: "+", B: "0"}, "same"),
    Written("Pixtral-12B",
            "The subject in A wears glasses and a beige trench coat over dark trousers; the subject in B wears a beige"
            " trench coat over dark trousers as well.",
            {U: "+", L: "+"}, "same"),
    Written("Pixtral-12B",
            "A sports a bright red cap, B is bareheaded. Their jeans resemble each other.",
            {T: "-", L: "+"}, "different"),
    Written("GLM-4.1V-9B-Thinking",
            "Got it, let's look. Person A: short black hair, white shirt, black shorts. Person B: short black hair,"
            " white shirt, black shorts. Wait, the shoes: A has white ones, B has white ones too. So they match.",
            {H: "+", U: "+", L: "+", S: "+"}, "same"),
    Written("GLM-4.1V-9B-Thinking",
            "So first, the hair. A's hair is long, B's hair is long too. Then the upper body. A is in a blue blouse. B"
            " is in a white T-shirt. So that differs. Bags: A has a handbag, B seems to have none.",
            {H: "+", U: "-", B: "-"}, "different"),
    Written("GLM-4.1V-9B-Thinking",
            "Looking at the bags, A has a shoulder bag across the chest while B wears a backpack. The pants are both"
            " dark. I don't see a hat on either of them.",
            {B: "-", L: "+", T: "+"}, "different"),
    Written("GLM-4.1V-9B-Thinking",
            "The hair looks the same, the top looks the same, the trousers look the same; nothing about the shoes can"
            " be said because B's feet are outside the picture.",
            {H: "+", U: "+", L: "+", S: "0"}, "same"),
    Written("Molmo-7B",
            "These two images show the same guy: he's got the same short brown hair, the same navy polo and the same"
            " khaki pants in each.",
            {H: "+", U: "+", L: "+"}, "same"),
    Written("Molmo-7B",
            "Person A's shirt is plain while Person B's has stripes. Person A's shoes are brown; Person B's are white.",
            {U: "-", S: "-"}, "different"),
    Written("Molmo-7B",
            "The jacket worn by A is longer and darker than the one worn by B, so the upper clothing is different. The"
            " jeans could be the same.",
            {U: "-", L: "+"}, "different"),
    Written("Molmo-7B",
            "Each of them wears a white dress, and each has long blond hair. The only difference is the bag.",
            {U: "+", H: "+", B: "-"}, "same"),
    Written("Idefics3-8B",
            "The woman in A has her hair tied up, the woman in B wears it loose. Their dresses have the same floral"
            " pattern. Both wear sandals.",
            {H: "-", U: "+", S: "+"}, "same"),
    Written("Idefics3-8B",
            "Neither the shirts nor the trousers are alike: the shirt is black in A and white in B; the trousers are"
            " grey in A and brown in B.",
            {U: "-", L: "-"}, "different"),
    Written("Idefics3-8B",
            "Same hairstyle, same dark jacket, same jeans. The shoes are too blurry to compare.",
            {H: "+", U: "+", L: "+", S: "0"}, "same"),
    Written("Idefics3-8B",
            "Different hairstyles, different jackets, identical trousers.",
            {H: "-", U: "-", L: "+"}, "different"),
    Written("DeepSeek-VL2",
            "In both photographs the pedestrian has a rucksack on the back and is dressed in a grey sweater and blue"
            " trousers. No inconsistencies in the footwear were found.",
            {B: "+", U: "+", L: "+", S: "+"}, "same"),
    Written("DeepSeek-VL2",
            "The pedestrian in the former image wears white trainers, in contrast to the black boots of the latter."
            " The coats are of the same colour.",
            {S: "-", U: "+"}, "different"),
    Written("DeepSeek-VL2",
            "Hair length cannot be judged because of the hood in A. Upper clothing: red hooded jacket vs. red hooded"
            " jacket: same. Lower clothing: black vs. black: same.",
            {H: "0", U: "+", L: "+"}, "same"),
    Written("DeepSeek-VL2",
            "Upper clothing: similar; lower clothing: dissimilar; shoes: similar; bag: present in A, absent in B.",
            {U: "+", L: "-", S: "+", B: "-"}, "different"),
    Written("Phi-4-multimodal",
            "The two persons do not appear to have the same hairstyle. Additionally, the shirts differ in color (red"
            " for A, green for B), though the pants are the same.",
            {H: "-", U: "-", L: "+"}, "different"),
    Written("Phi-4-multimodal",
            "Person A and Person B have similar hair and wear similar upper clothing. There is no visible difference in"
            " their lower clothing or shoes.",
            {H: "+", U: "+", L: "+", S: "+"}, "same"),
    Written("Phi-4-multimodal",
            "Both A and B are seen without headwear. A is wearing a black coat and B is wearing a black coat. A is"
            " wearing glasses.",
            {T: "+", U: "+"}, "same"),
    Written("Phi-4-multimodal",
            "B is taller and has a heavier build than A. Their clothes are alike: both in jeans and a white T-shirt.",
            {Z: "-", L: "+", U: "+"}, "different"),
    Written("Kimi-VL-A3B",
            "Let me check each part. Head: no hats. Hair: short for A; for B, also short. Torso: A's checked shirt"
            " against B's solid one. That's enough to tell them apart.",
            {H: "+", U: "-"}, "different"),
    Written("Kimi-VL-A3B",
            "The backpack straps are visible on both. A wears a cap that B lacks. Shirts match in color and pattern.",
            {B: "+", T: "-", U: "+"}, "different"),
    Written("Kimi-VL-A3B",
            "A: blue top, black bottoms, carrying a suitcase. B: blue top, black bottoms, carrying a suitcase. I find"
            " no mismatch.",
            {U: "+", L: "+", B: "+"}, "same"),
    Written("Kimi-VL-A3B",
            "It's unclear if the trousers match since A's legs are occluded by a bicycle. The hair can be compared and"
            " differs. The tops differ too.",
            {L: "0", H: "-", U: "-"}, "different"),
)  # fmt: skip
DEVELOPMENT, HELD_OUT = REASONS[::2], REASONS[1::2]
